"""Pictures of stickers with every truth about them: what can be drawn, how, and what a scene then shows."""
