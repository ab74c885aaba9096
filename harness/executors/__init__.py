"""Where steps run: worker processes of this machine, or jobs of a Slurm cluster."""
