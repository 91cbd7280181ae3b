"""Why a number is what it is: dataset checks, the doctor, explanations, errors by cause, upper bounds."""
