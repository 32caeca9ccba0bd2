-- The timetable of jobs.

-- The timetable: when each scheduled job runs next and how it went. Redis only carries what is due, so losing Redis
-- loses no run. One row a job, rewritten at each run.
CREATE TABLE job_schedules (
  job               text PRIMARY KEY,
  queue             text NOT NULL,
  every_seconds     integer NOT NULL CHECK (every_seconds > 0),
  -- Whole milliseconds: it is part of the run's id.
  next_run_at       timestamptz(3) NOT NULL,
  last_started_at   timestamptz(3),
  last_finished_at  timestamptz(3),
  last_succeeded_at timestamptz(3),
  last_outcome      text CHECK (last_outcome IN ('completed', 'dead')),
  created_at        timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  -- When a running worker last said that its contracts hold this job.
  declared_at       timestamptz(3) NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- The number of the newest run of each job. A run that has stalled past its lock finds a higher one and writes nothing.
CREATE TABLE job_fences (
  job   text PRIMARY KEY,
  fence bigint NOT NULL
) WITH (fillfactor = 50);
