/** Names of ours that a report may carry beside the error: never a value of a request. */
export interface ErrorReportTags {
  code?: string;
  operation?: string;
  job?: string;
}

export interface ErrorReports {
  /** Whether reports leave this process. */
  isOn: boolean;
  /** What was not understood, to be logged once. Values are not repeated. */
  warnings: readonly string[];
  /** Hands an error over and returns at once. Never throws. */
  report(error: Error, tags: ErrorReportTags): void;
  /** Sends what waits, for at most `timeoutMs` (2,000). Never rejects. */
  close(timeoutMs?: number): Promise<void>;
}

export interface ErrorReportOptions {
  serviceName: string;
  serviceVersion?: string;
}
