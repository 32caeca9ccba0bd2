/** Tags that a report may carry with the error: our own names, never a value of a request. */
export type ErrorReportTags = { code?: string; operation?: string; job?: string };

export type ErrorReports = {
  /** Whether reports leave this process. */
  isOn: boolean;
  /** Invalid settings, to be logged once. Values are not repeated. */
  warnings: readonly string[];
  /** Queues an error and returns at once. Never throws. */
  report(error: Error, tags: ErrorReportTags): void;
  /** Sends pending reports, for at most `timeoutMs` (2,000). Never rejects. */
  close(timeoutMs?: number): Promise<void>;
};

export type ErrorReportOptions = { serviceName: string; serviceVersion?: string };
