// Looks at the dated list of advisories, without a network: what is installed here, and what ships.
import {
  ADVISORIES,
  advisoriesMet,
  describeMet,
  isOpen,
  LIST_DAYS_MAX,
  listDays,
} from '#services/platform/advisories/advisories.ts';
import { installedVersions } from '../image/installed-versions.ts';

const HELP = `Compares what is installed with the dated list of advisories (services/platform/advisories/advisories.json), without a network.

  node scripts/checks/listed-advisories.ts           fails on an exposure that is not accepted; the list's age is a warning
  node scripts/checks/listed-advisories.ts --fresh   also fails if the list is older than ${LIST_DAYS_MAX} days, as the release gate asks
`;

function main(args: readonly string[]): number {
  if (args.includes('--help')) {
    process.stdout.write(HELP);
    return 0;
  }
  const now = new Date();
  const met = advisoriesMet(ADVISORIES, { ...installedVersions(), node: process.version });
  const open = met.filter((each) => isOpen(each, now));
  const days = listDays(ADVISORIES, now);
  const isOld = days > LIST_DAYS_MAX;
  for (const each of met)
    process.stdout.write(`${open.includes(each) ? 'EXPOSED' : 'ok'}: ${describeMet(each, now)}\n`);
  process.stdout.write(
    `${isOld ? 'OLD' : 'ok'}: the list is of ${ADVISORIES.asOf}, ${days} days old (${LIST_DAYS_MAX} at most at a release)\n`,
  );
  return open.length > 0 || (isOld && args.includes('--fresh')) ? 1 : 0;
}

process.exitCode = main(process.argv.slice(2));
