import { defineCounter } from './instruments.ts';

/** What became of sampled spans. */
export const exportedSpans = defineCounter({
  name: 'sallyport_telemetry_spans',
  help: 'Sampled spans by what became of them: exported, failed to be delivered, or dropped because too many waited.',
  labels: { outcome: ['exported', 'failed', 'dropped'] },
});

/** Log lines thrown away because standard error was not read fast enough. */
export const droppedLogLines = defineCounter({
  name: 'sallyport_telemetry_log_lines_dropped',
  help: 'Log lines thrown away because standard error was not read fast enough.',
});

/** What became of error reports. */
export const errorReports = defineCounter({
  name: 'sallyport_telemetry_error_reports',
  help: 'Errors by what became of their report: reported, refused by Sentry, dropped because it was out of reach or too slow, or not sent because the same one just was.',
  labels: { outcome: ['reported', 'failed', 'dropped', 'repeated'] },
});
