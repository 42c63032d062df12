"""To the wall: what one machine's supply, board and processor really draw, from a plug meter or a minute of its own."""
