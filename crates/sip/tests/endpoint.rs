//! The endpoint with peers of paper: scripted messages on a virtual clock. Every test compares all that left the endpoint
//! and all that it told, line by line, with the millisecond of each.

mod endpoint {
    mod bench;
    mod flows;
    mod script;

    mod cancel;
    mod capability;
    mod dialog;
    mod injection;
    mod limits;
    mod long;
    mod lossy;
    mod plain;
    mod refusals;
    mod reliable;
    mod round;
    mod routing;
    mod schemes;
    mod streams;
    mod teardown;
    mod turned_away;
    mod update;
}
