/** Tables of the timetable of jobs, which belong to no module. */
export const queueTables = ['job_schedules', 'job_fences'] as const;
