/** Hours of the day in which a target is told only what is critical. */
export type QuietHours = {
  /** Local times, `HH:MM`; null without quiet hours. */
  readonly quietFrom: string | null;
  readonly quietUntil: string | null;
  readonly timeZone: string;
};

/** Whether the time zone is one that this runtime knows, by its IANA name. */
export function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return true;
  } catch {
    return false;
  }
}

/** Whether it is quiet now. They may pass midnight; the same time twice is the whole day. */
export function isQuiet({ quietFrom, quietUntil, timeZone }: QuietHours, nowMs: number): boolean {
  if (quietFrom === null || quietUntil === null) return false;
  const now = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit' }).format(nowMs);
  return quietFrom < quietUntil ? quietFrom <= now && now < quietUntil : now >= quietFrom || now < quietUntil;
}
