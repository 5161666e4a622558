"""How long a report of full size takes, what the style analysis holds in memory."""
