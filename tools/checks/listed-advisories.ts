// Looks at the dated list of advisories, without a network: what is installed here, and what ships.
import { resolve } from 'node:path';
import {
  ADVISORIES,
  type AdvisoryList,
  advisoriesMet,
  describeMet,
  type Installed,
  isOpen,
  LIST_DAYS_MAX,
  listDays,
} from '#services/platform/advisories/advisories.ts';
import { installedVersions } from '../image/installed-versions.ts';

const HELP = `Compares what is installed with the dated list of advisories (services/platform/advisories/advisories.json), without a network.

  node tools/checks/listed-advisories.ts           fails on an exposure that is not accepted; the list's age is a warning
  node tools/checks/listed-advisories.ts --fresh   also fails if the list is older than ${LIST_DAYS_MAX} days, as the release gate asks
`;

/** What the check says, and whether it fails. @param mustBeFresh whether the age of the list fails it, as at a release */
export function lookAtList(
  list: AdvisoryList,
  installed: Installed,
  now: Date,
  mustBeFresh: boolean,
): { readonly lines: readonly string[]; readonly fails: boolean } {
  const met = advisoriesMet(list, installed);
  const open = met.filter((each) => isOpen(each, now));
  const days = listDays(list, now);
  const isOld = days > LIST_DAYS_MAX;
  return {
    lines: [
      ...met.map((each) => `${open.includes(each) ? 'EXPOSED' : 'ok'}: ${describeMet(each, now)}`),
      `${isOld ? 'OLD' : 'ok'}: the list is of ${list.asOf}, ${days} days old (${LIST_DAYS_MAX} at most at a release)`,
    ],
    fails: open.length > 0 || (isOld && mustBeFresh),
  };
}

function main(args: readonly string[]): void {
  if (args.includes('--help')) return void process.stdout.write(HELP);
  const installed = { ...installedVersions(), node: process.version };
  const { lines, fails } = lookAtList(ADVISORIES, installed, new Date(), args.includes('--fresh'));
  process.stdout.write(`${lines.join('\n')}\n`);
  if (fails) process.exitCode = 1;
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === import.meta.filename) main(process.argv.slice(2));
