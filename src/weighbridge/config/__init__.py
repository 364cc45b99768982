"""What operators write, and how it becomes a `Plan`: load, check, compile. Only the control process imports this."""
