//! Case files: quoting, redaction, reducing logs to what matters. Pure.
