-- Alerts and targets are rows that only this release knows; a rollback must not lose them unsaid.
DO $$
BEGIN
  IF EXISTS (SELECT FROM alert_targets) THEN
    RAISE EXCEPTION 'alert targets exist: remove them first (sallyport alert-targets list), or keep this release';
  END IF;
END $$;
DROP TABLE alert_notices, alert_deliveries, alerts, alert_silences, alert_targets, alert_progress;
