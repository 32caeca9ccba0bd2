import type { AuditEventView } from './event-view.ts';

/** What the events of one type do to the alerts that people get: a module says so, without sending any itself. */
export type AlertRule = {
  readonly type: string;
  readonly source: 'control';
  /** Raises the alert of this name with a summary, or resolves it; undefined if the event changes none. */
  effectOf(
    event: AuditEventView,
  ): { readonly name: string; readonly raises: string } | { readonly name: string; readonly raises: null } | undefined;
};
