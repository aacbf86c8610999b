from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine alone: a fresh clone has to build its tables of
# characters first.
settings.register_profile("kigeon", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kigeon")
