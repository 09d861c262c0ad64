//! One HTTP client and one resolver for scrapes, discovery, channels and plugins, with address checks.
