//! The table: what was measured, beside what, and whether the ratio that is asked for was reached.

/// What is asked of a figure.
#[derive(Debug, Clone, Copy)]
pub enum Need {
    /// No more than that.
    AtMost(f64),
    /// No less than that.
    AtLeast(f64),
    /// Nothing: the figure is told for comparison.
    Told,
}

/// A line of the table.
#[derive(Debug)]
pub struct Line {
    /// What was measured.
    pub what: String,
    /// Ours, with its unit.
    pub ours: String,
    /// What it is held against, with its figure; empty when it is held against a number alone.
    pub against: String,
    /// The figure that is asked for; on `Err`, why there is none.
    pub figure: Result<f64, String>,
    /// What is asked of it.
    pub need: Need,
}

impl Line {
    /// One that could not be measured.
    pub fn failed(what: impl Into<String>, reason: &anyhow::Error) -> Self {
        let figure = Err(format!("{reason:#}"));
        Self { what: what.into(), ours: "-".into(), against: String::new(), figure, need: Need::Told }
    }

    /// What is missed, if anything is.
    pub fn miss(&self) -> Option<String> {
        let figure = match &self.figure {
            Err(reason) => return Some(format!("{}: {reason}", self.what)),
            Ok(figure) => *figure,
        };
        let (kept, sign, bound) = match self.need {
            Need::AtMost(most) => (figure <= most, "at most", most),
            Need::AtLeast(least) => (figure >= least, "at least", least),
            Need::Told => return None,
        };
        (!kept).then(|| format!("{}: {figure:.2}, {sign} {bound} is asked for", self.what))
    }

    fn cells(&self) -> [String; 6] {
        let figure = match &self.figure {
            Err(_) => "-".to_owned(),
            Ok(figure) if figure.fract() == 0.0 => format!("{figure}"),
            Ok(figure) => format!("{figure:.2}"),
        };
        let need = match self.need {
            Need::AtMost(most) => format!("≤ {most}"),
            Need::AtLeast(least) => format!("≥ {least}"),
            Need::Told => String::new(),
        };
        let verdict = match (self.miss().is_some(), self.need) {
            (true, _) => "MISSED",
            (false, Need::Told) => "",
            (false, _) => "ok",
        };
        [self.what.clone(), self.ours.clone(), self.against.clone(), figure, need, verdict.to_owned()]
    }
}

/// The lines under a head, in columns.
pub fn render(lines: &[Line]) -> String {
    let head = ["what", "ours", "against", "figure", "asked", ""].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(lines.iter().map(Line::cells)).collect();
    let widths = rows.iter().fold([0; 6], |mut widths, row| {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
        widths
    });
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths).enumerate().map(|(at, (cell, width))| match at {
            1 | 3 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut out: Vec<_> = rows.iter().map(line).collect();
    out.insert(1, "-".repeat(widths.iter().sum::<usize>() + 10));
    out.join("\n")
}

/// The middle one; of an even number the lower of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(figure: f64, need: Need) -> Line {
        Line { what: "w".into(), ours: "1 ms".into(), against: String::new(), figure: Ok(figure), need }
    }

    #[test]
    fn a_bound_itself_is_kept_and_what_cannot_be_measured_is_missed() {
        assert!(line(2.2, Need::AtMost(2.2)).miss().is_none());
        assert!(line(2.21, Need::AtMost(2.2)).miss().is_some());
        assert!(line(8.9, Need::AtLeast(9.0)).miss().is_some());
        assert!(line(f64::NAN, Need::AtLeast(9.0)).miss().is_some());
        assert!(Line::failed("w", &anyhow::anyhow!("gone")).miss().is_some());
    }

    #[test]
    fn the_median_is_one_of_the_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![3.0, 1.0]), 1.0);
    }
}
