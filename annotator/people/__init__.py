"""Who may do what: accounts, sessions, projects and roles, and the log of what they did."""
