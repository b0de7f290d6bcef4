//! Media workers: ports, sockets, playback files.
