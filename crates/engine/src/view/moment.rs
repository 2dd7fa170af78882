//! A moment within a sentence. Whoever draws the sentence knows the time zone of its reader and shows the local time in
//! its place; a program reads it as it is.

use model::Wall;

/// The moment as RFC 3339 has it, in whole seconds of UTC: `2026-11-23T13:02:10Z`.
#[must_use]
pub fn moment(at: Wall) -> String {
    let s = at.0.div_euclid(1_000);
    let (year, month, day) = date(s.div_euclid(86_400));
    let (hour, minute, second) = (s.rem_euclid(86_400) / 3_600, s.rem_euclid(3_600) / 60, s.rem_euclid(60));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of so many days after 1 January 1970. Eras of 400 years from 1 March of the year 0, as in Howard
/// Hinnant's "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc() {
        let table = [
            (0, "1970-01-01T00:00:00Z"),
            (1_795_438_930_999, "2026-11-23T13:02:10Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_709_251_199_000, "2024-02-29T23:59:59Z"),
            (1_709_251_200_000, "2024-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ];
        for (ms, expect) in table {
            assert_eq!(moment(Wall(ms)), expect);
        }
    }
}
