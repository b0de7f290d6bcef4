//! Dialplan rows, and the closed list of what they may do.

use serde::{Deserialize, Serialize};

use crate::DialplanId;

/// One row of a tenant's dialplan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialplanEntry {
    /// Identity.
    pub id: DialplanId,
    /// Context the row belongs to; calls of an extension start in the extension's context.
    pub context: String,
    /// An exact number, or a pattern that begins with `_` (`_55XXX`).
    pub exten: String,
    /// Rows with the same `exten` are tried from the lowest priority up.
    pub priority: u32,
    /// What to do.
    pub action: Action,
}

/// What a dialplan row does. The database, the API and the console show this list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", content = "argument", rename_all = "snake_case")]
pub enum Action {
    /// Ring an extension of the same tenant; `None` rings the number that was dialled.
    Dial(Option<String>),
    /// Answer, beep, and send back what is heard.
    Echo,
    /// End the call with a Q.850 cause (16 when the row names none).
    Hangup(Option<u8>),
}

impl Action {
    /// The name in the `action` column.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dial(_) => "Dial",
            Self::Echo => "Echo",
            Self::Hangup(_) => "Hangup",
        }
    }

    /// The text in the `argument` column.
    #[must_use]
    pub fn argument(&self) -> Option<String> {
        match self {
            Self::Dial(number) => number.clone(),
            Self::Echo => None,
            Self::Hangup(cause) => cause.map(|cause| cause.to_string()),
        }
    }

    /// Reads the two columns.
    ///
    /// # Errors
    /// The action is not on the list, or its argument is of the wrong form.
    pub fn from_columns(name: &str, argument: Option<&str>) -> Result<Self, crate::UnknownValue> {
        let argument = argument.map(str::trim).filter(|text| !text.is_empty());
        let wrong = |value: &str| crate::UnknownValue { kind: "Action", value: value.to_owned() };
        match (name, argument) {
            ("Dial", number) => Ok(Self::Dial(number.map(str::to_owned))),
            ("Echo", None) => Ok(Self::Echo),
            ("Hangup", None) => Ok(Self::Hangup(None)),
            ("Hangup", Some(cause)) => match cause.parse() {
                Ok(cause @ 1..=127) => Ok(Self::Hangup(Some(cause))),
                _ => Err(wrong(cause)),
            },
            ("Echo", Some(argument)) => Err(wrong(argument)),
            _ => Err(wrong(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Action;

    #[test]
    fn columns_and_actions_are_the_same_thing() {
        for action in [
            Action::Dial(None),
            Action::Dial(Some("1002".to_owned())),
            Action::Echo,
            Action::Hangup(None),
            Action::Hangup(Some(21)),
        ] {
            let argument = action.argument();
            assert_eq!(Action::from_columns(action.name(), argument.as_deref()), Ok(action));
        }
    }

    #[test]
    fn other_columns_are_refused() {
        for (name, argument) in
            [("System", None), ("Hangup", Some("0")), ("Hangup", Some("128")), ("Echo", Some("1")), ("dial", None)]
        {
            assert!(Action::from_columns(name, argument).is_err(), "{name} {argument:?}");
        }
    }
}
