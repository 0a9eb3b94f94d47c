//! Settings of controllers as numbers in a row, for tuning and for files, and as named fields, for the rules.
//!
//! One declaration gives both. Two lists kept in step by hand would let a tuner turn the wrong knob unnoticed.

/// A number of a controller that can be tuned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, unique within its controller.
    pub name: &'static str,
    /// Lowest value.
    pub lowest: f64,
    /// Highest value.
    pub highest: f64,
    /// The published value where there is one.
    pub default: f64,
    /// Whether a search should go by its logarithm; then `lowest` is positive.
    pub log: bool,
}

impl Parameter {
    /// A parameter that a search goes through evenly.
    pub(crate) const fn even(name: &'static str, lowest: f64, highest: f64, default: f64) -> Self {
        Self { name, lowest, highest, default, log: false }
    }

    /// A parameter that a search goes through by its logarithm.
    pub(crate) const fn log(name: &'static str, lowest: f64, highest: f64, default: f64) -> Self {
        Self { name, lowest, highest, default, log: true }
    }

    /// `value` within the bounds; the default where there is none, or no number.
    #[must_use]
    pub fn bounded(&self, value: Option<f64>) -> f64 {
        match value {
            Some(value) if !value.is_nan() => value.clamp(self.lowest, self.highest),
            _ => self.default,
        }
    }
}

/// Reads values in the order of their parameters.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    parameters: std::slice::Iter<'static, Parameter>,
    values: std::slice::Iter<'a, f64>,
}

impl<'a> Values<'a> {
    pub(crate) fn new(parameters: &'static [Parameter], values: &'a [f64]) -> Self {
        Self { parameters: parameters.iter(), values: values.iter() }
    }

    /// The next parameter's value. There are as many calls as parameters: one macro writes both.
    pub(crate) fn take(&mut self) -> f64 {
        let value = self.values.next().copied();
        self.parameters.next().map_or(f64::NAN, |parameter| parameter.bounded(value))
    }
}

/// Declares a controller's settings: its own fields, each with name, bounds and default, and a
/// [`Handout`]($crate::classical::Handout) whose guard is `guard` of the SLO by default (0 for none).
macro_rules! settings {
    (
        $(#[$about:meta])*
        $settings:ident, guard $guard:literal {
            $( $(#[$doc:meta])* $field:ident: $parameter:expr; )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $settings {
            $( $(#[$doc])* pub $field: f64, )*
            /// How the total is handed out.
            pub handout: $crate::classical::Handout,
        }

        impl $settings {
            /// What may be tuned, in the order in which [`Self::from_values`] takes the values.
            pub const PARAMETERS: &'static [$crate::classical::Parameter] = &[
                $( $parameter, )*
                $crate::classical::Handout::BUCKET_S,
                $crate::classical::Handout::HEADROOM,
                $crate::classical::Handout::guard_parameter($guard),
            ];

            /// Settings from values in the order of [`Self::PARAMETERS`]: a value that is missing or no number is the
            /// default, one out of bounds is the nearest bound.
            #[must_use]
            pub fn from_values(values: &[f64]) -> Self {
                let mut values = $crate::classical::parameter::Values::new(Self::PARAMETERS, values);
                Self {
                    $( $field: values.take(), )*
                    handout: $crate::classical::Handout::from_values(&mut values),
                }
            }
        }

        impl Default for $settings {
            fn default() -> Self {
                Self::from_values(&[])
            }
        }
    };
}
pub(crate) use settings;

#[cfg(test)]
mod tests {
    use super::super::{AimdSettings, Handout};

    #[test]
    fn values_are_taken_in_order_and_missing_ones_are_defaults() {
        let names: Vec<_> = AimdSettings::PARAMETERS.iter().map(|parameter| parameter.name).collect();
        assert_eq!(names, ["increaseFraction", "backoffRatio", "windowS", "bucketS", "headroom", "guard"]);
        let settings = AimdSettings::from_values(&[0.1, 0.5]);
        assert_eq!((settings.increase_fraction, settings.backoff_ratio, settings.window_s), (0.1, 0.5, 1.0));
        assert_eq!(settings.handout, Handout { bucket_s: 1.5, headroom: 2.9, guard: None });
        let all = AimdSettings::from_values(&[0.1, 0.5, 0.2, 1.0, 5.0, 0.4]);
        assert_eq!((all.window_s, all.handout.guard), (0.2, Some(0.4)));
    }

    #[test]
    fn a_value_out_of_bounds_is_the_bound_and_one_that_is_no_number_the_default() {
        let settings = AimdSettings::from_values(&[-1.0, f64::INFINITY, f64::NAN]);
        assert_eq!(
            (settings.increase_fraction, settings.backoff_ratio, settings.window_s),
            (0.001, 0.99, 1.0)
        );
    }
}
