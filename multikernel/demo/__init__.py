"""The main job: probe, know, measure, place, run, and show what was decided and why."""
