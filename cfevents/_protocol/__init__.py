"""The API without its transport: what is asked, and what an answer means. No I/O."""
