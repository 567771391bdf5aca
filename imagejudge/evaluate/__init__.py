"""Measuring the judge against labels: data sets, compared methods, figures and perturbations."""
