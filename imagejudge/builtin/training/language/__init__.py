"""Statements, rules and questions about scenes, their true answers, and both as tokens."""
