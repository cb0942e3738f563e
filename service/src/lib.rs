//! Bishui: the service that executes a municipal water action plan.
