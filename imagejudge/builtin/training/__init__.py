"""How the embedded model was made: sprites, scenes, questions, model, train, export. Needs the extra [train]; imported
by nothing else."""
