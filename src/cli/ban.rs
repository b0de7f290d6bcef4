//! `yakyak ban list`, `ban add`, `ban remove`: asked of the running server, and done there at once.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use domain::Ban;

use super::args::BanCommand;
use super::live::{must_run, second};
use super::output;
use crate::control::Question;
use crate::exit::Refusal;
use crate::gatehouse::shown;
use crate::settings::Settings;

/// Carries out one.
pub(super) fn run(settings: &Settings, command: BanCommand, json: bool) -> Result<()> {
    match command {
        BanCommand::List => list(settings, json),
        BanCommand::Add { address, lasts, reason } => {
            let question = Question::Ban { address, lasts_s: lasts.as_secs(), reason };
            let ban: Ban = must_run(settings, &question)?;
            if json {
                return output::document(&ban);
            }
            output::line(&format!("{} is banned until {}", shown(ban.address), second(ban.until)))
        }
        BanCommand::Remove { address, all } => {
            if address.is_none() && !all {
                return Err(Refusal::new("name an address, or --all; see `yakyak ban list`").into());
            }
            let lifted: Vec<Ban> = must_run(settings, &Question::Unban { address })?;
            if json {
                return output::document(&lifted);
            }
            for ban in &lifted {
                output::line(&format!("{} is listened to again", shown(ban.address)))?;
            }
            if lifted.is_empty() { output::line("nobody was banned") } else { Ok(()) }
        }
    }
}

fn list(settings: &Settings, json: bool) -> Result<()> {
    let rows: Vec<Ban> = must_run(settings, &Question::Bans)?;
    output::list(json, &rows, &["address", "since", "until", "times", "reason"], |ban| {
        vec![shown(ban.address), second(ban.since), second(ban.until), ban.strikes.to_string(), ban.reason.clone()]
    })
}

/// An address; that of a network is none.
pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    let text = text.strip_suffix("/64").filter(|text| text.contains(':')).unwrap_or(text);
    text.parse().map_err(|_| "write an IP address, such as 192.0.2.7 or 2001:db8::7".to_owned())
}

/// A time such as `90s`, `15m`, `1h`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let refused = || "write a number and s, m, h or d: 90s, 15m, 1h, 7d".to_owned();
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(refused)?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(refused()),
    };
    let number: u64 = number.parse().map_err(|_| refused())?;
    let lasts = number.checked_mul(seconds).filter(|seconds| *seconds > 0).ok_or_else(refused)?;
    Ok(Duration::from_secs(lasts).min(switch::limits::LONGEST_BAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h", 3_600), ("7d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        assert_eq!(duration("99999999999d"), Ok(switch::limits::LONGEST_BAN));
        for text in ["", "1", "h", "0s", "1.5h", "-1h", "1 h", "1w", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_may_be_copied_from_the_list() {
        for (text, expected) in [("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2::/64", "2001:db8:1:2::"), ("::1", "::1")] {
            assert_eq!(address(text), Ok(expected.parse().unwrap()));
        }
        for text in ["", "192.0.2.0/24", "192.0.2.7/64", "host", "2001:db8::/32"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
