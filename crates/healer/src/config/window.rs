//! A maintenance window that comes again each day, or each week: `{deployment: shop, every: sunday, from: "02:00", for: 2h,
//! time_zone: Europe/Berlin}`.

use std::time::Duration;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use model::Wall;
use model::settings::Maintenance;

/// What `every` may be.
pub(super) const EVERY: &[&str] =
    &["day", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// A window, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// A deployment's name or pattern; `None`: everything.
    pub(crate) deployment: Option<String>,
    /// On this day of the week; `None`: on each.
    pub(crate) on: Option<Weekday>,
    pub(crate) from: Time,
    pub(crate) lasts: Duration,
    pub(crate) zone: TimeZone,
}

impl Window {
    /// The present one, or the next, as the engine wants it.
    pub(crate) fn at(&self, now: Timestamp) -> Maintenance {
        let lasts_ms = i64::try_from(self.lasts.as_millis()).unwrap_or(i64::MAX);
        let today = now.to_zoned(self.zone.clone()).date();
        // One that began up to a week ago may still last; the next one begins within a week.
        let begins = (-8..=8).filter_map(|days| {
            let date = today.checked_add(Span::new().days(days)).ok()?;
            let fits = self.on.is_none_or(|day| day == date.weekday());
            let begins = date.to_datetime(self.from).to_zoned(self.zone.clone()).ok().filter(|_| fits)?;
            Some(begins.timestamp().as_millisecond())
        });
        let is_ahead = |from: &i64| from.saturating_add(lasts_ms) > now.as_millisecond();
        let from = begins.into_iter().find(is_ahead).unwrap_or(i64::MAX);
        let deployment = self.deployment.clone();
        Maintenance { deployment, from: Wall(from), until: Wall(from.saturating_add(lasts_ms)) }
    }
}

/// A day's name; `None` for `day`, which is each of them, and for what is no day.
pub(super) fn weekday(name: &str) -> Option<Weekday> {
    let at = EVERY.iter().position(|day| *day == name)?;
    i8::try_from(at).ok().and_then(|at| Weekday::from_monday_one_offset(at).ok())
}

/// `02:00`, `2:05`.
pub(super) fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let parts = (digits(hour) && minute.len() == 2 && digits(minute)).then_some((hour, minute))?;
    Time::new(parts.0.parse().ok()?, parts.1.parse().ok()?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(on: &str, from: &str, hours: u64, zone: &str) -> Window {
        Window {
            deployment: Some("shop".to_owned()),
            on: weekday(on),
            from: time(from).unwrap(),
            lasts: Duration::from_secs(hours * 3_600),
            zone: TimeZone::get(zone).unwrap(),
        }
    }

    #[test]
    fn the_present_window_is_told_or_the_next_one() {
        let berlin = "Europe/Berlin";
        let table = [
            // 29 November 2026 is a Sunday; Berlin is an hour ahead of UTC.
            ("before it", window("sunday", "02:00", 2, berlin), "2026-11-29T00:30:00Z", "2026-11-29T01:00:00Z"),
            ("in it", window("sunday", "02:00", 2, berlin), "2026-11-29T02:59:59Z", "2026-11-29T01:00:00Z"),
            ("after it", window("sunday", "02:00", 2, berlin), "2026-11-29T03:00:00Z", "2026-12-06T01:00:00Z"),
            ("over midnight", window("day", "23:00", 3, "UTC"), "2026-11-30T01:00:00Z", "2026-11-29T23:00:00Z"),
            ("for days", window("friday", "18:00", 60, "UTC"), "2026-11-29T20:00:00Z", "2026-11-27T18:00:00Z"),
            // In the night to 28 March 2027 there is no 02:30 in Berlin: it is an hour later then.
            ("a missing hour", window("sunday", "02:30", 1, berlin), "2027-03-28T00:00:00Z", "2027-03-28T01:30:00Z"),
        ];
        for (name, window, now, from) in table {
            let found = window.at(now.parse().unwrap());
            assert_eq!(found.from.0, from.parse::<Timestamp>().unwrap().as_millisecond(), "{name}");
            assert_eq!(found.until.0 - found.from.0, i64::try_from(window.lasts.as_millis()).unwrap(), "{name}");
        }
    }

    #[test]
    fn a_time_is_an_hour_and_two_digits_of_minutes() {
        for (text, good) in [
            ("02:00", true),
            ("2:05", true),
            ("24:00", false),
            ("2", false),
            ("2:5", false),
            ("+2:00", false),
            ("", false),
        ] {
            assert_eq!(time(text).is_some(), good, "{text}");
        }
        assert_eq!((weekday("day"), weekday("sunday"), weekday("sunday ")), (None, Some(Weekday::Sunday), None));
        assert_eq!(weekday("monday"), Some(Weekday::Monday));
    }
}
