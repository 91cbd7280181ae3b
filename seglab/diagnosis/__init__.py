"""Why a metric is what it is: dataset checks, the doctor, explanations, error analysis, upper bounds."""

# The modules that may be used from outside.
__all__ = ["check", "doctor", "errors", "explain", "upper_bound"]
