"""The dashboard: shell pages, styles and scripts. It is a client of the admin API like any other, and holds no figures itself."""
