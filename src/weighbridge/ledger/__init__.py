"""Money: what each attempt costs, by whose price."""
