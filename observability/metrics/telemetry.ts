import { defineCounter } from './instruments.ts';

export const exportedSpans = defineCounter({
  name: 'sallyport_telemetry_spans',
  help: 'Sampled spans by outcome: exported, failed (not delivered), or dropped because too many waited.',
  labels: { outcome: ['exported', 'failed', 'dropped'] },
});

export const droppedLogLines = defineCounter({
  name: 'sallyport_telemetry_log_lines_dropped',
  help: 'Log lines dropped because standard error was not read fast enough.',
});

export const errorReports = defineCounter({
  name: 'sallyport_telemetry_error_reports',
  help: 'Error reports by outcome: reported, refused by Sentry, dropped because Sentry was unreachable or too slow, or not sent because the same error was just reported.',
  labels: { outcome: ['reported', 'failed', 'dropped', 'repeated'] },
});
