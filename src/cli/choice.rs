//! Values that are `on` or `off`, or something or `off`.

use std::str::FromStr;

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch(pub bool);

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "on" | "true" | "yes" => Ok(Self(true)),
            "off" | "false" | "no" => Ok(Self(false)),
            _ => Err("say on or off".to_owned()),
        }
    }
}

/// Something, or `off`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrOff<T>(pub Option<T>);

impl<T: FromStr> FromStr for OrOff<T>
where
    T::Err: std::fmt::Display,
{
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" | "none" => Ok(Self(None)),
            _ => text.parse().map(|value| Self(Some(value))).map_err(|error: T::Err| format!("{error}; or say off")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OrOff, Switch};

    #[test]
    fn off_is_always_understood() {
        assert_eq!("off".parse(), Ok(Switch(false)));
        assert_eq!("on".parse(), Ok(Switch(true)));
        assert_eq!("off".parse(), Ok(OrOff::<u32>(None)));
        assert_eq!("2".parse(), Ok(OrOff(Some(2_u32))));
        assert!("maybe".parse::<Switch>().is_err());
        assert!("two".parse::<OrOff<u32>>().unwrap_err().ends_with("or say off"));
    }
}
