import { type AdvisoryList, describeAffected } from '#services/platform/advisories/advisories.ts';
import { page, table } from './pages.ts';

/** `docs/reference/advisories.md`: each advisory that the dated list names, and what it means here. */
export function advisoriesPage(
  { asOf, advisories }: AdvisoryList,
  installed: Readonly<Record<string, string>>,
): string {
  const rows = advisories.map((advisory) => {
    const { id, product, severity, title, exposure, why, accepted } = advisory;
    const answer = `${exposure === 'none' ? 'not reached' : 'reached if affected'}: ${why}`;
    const borne = accepted ? `until ${accepted.until}: ${accepted.reason}` : '';
    return [id, product, describeAffected(advisory), installed[product] ?? 'yours', severity, title, answer, borne];
  });
  return page(
    'Advisories of what is installed',
    `Known vulnerabilities of the runtime, the stores and the packages of authentication, as of ${asOf}. \`sallyport doctor\` compares them with what runs, and \`npm run check\` with what ships, both without a network: an advisory that an attacker could use here fails until it is mended or accepted for a time; a list older than 30 days is a warning, and no release is made with it. \`npm run audit\` looks up every dependency at the registries.`,
    table(['advisory', 'of', 'affected', 'installed', 'severity', 'what', 'here', 'accepted'], rows),
  );
}
