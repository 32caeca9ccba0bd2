import { expect, onTestFinished, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import { lookBeforeScrape } from '#observability/metrics/scrape-looks.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { opened } from '#tools/testing/opened.ts';
import { openHandoffHarness } from '../handoff-harness.ts';
import { exportHarnessOf } from './export-harness.ts';
import { listSiemTargets } from './replay-siem.ts';
import { showSiem } from './show-siem.ts';

const harness = opened(openHandoffHarness);

const shown = (name: string) => registry.collect().find((metric) => metric.name === name)?.series[0]?.value;
const both = async () => {
  await lookBeforeScrape();
  return [shown('sallyport_siem_behind_events'), shown('sallyport_siem_failing_targets')];
};

test('the metrics show a configured target that fails and how far it is behind, and not one that was taken out', async () => {
  const siem = exportHarnessOf(harness, [{ name: 'soc', format: 'ocsf', url: harness.url }]);
  await siem.run();
  await harness.log.raw`INSERT INTO siem_targets (name, reached_seq, failure) VALUES ('former', -1, 'http_404')`;
  const watch = showSiem(siem.ports, 20)!;
  onTestFinished(() => watch.close());
  await eventually('a target that has everything', async () => (await both()).join() === '0,0');
  harness.answerWith(() => 503);
  await harness.events('ada', 'bob');
  await siem.run();
  await eventually('a target that fails', async () => (await both())[1] === 1);
  const { behind } = (await listSiemTargets(harness.log)).siem_targets.find((each) => each.siem_target === 'soc')!;
  expect(behind).toBeGreaterThanOrEqual(2);
  await eventually('how far it is behind', async () => (await both())[0] === behind);
  harness.answerWith(() => 204);
  await siem.pass();
  await siem.run();
  await eventually('a target that has everything again', async () => (await both()).join() === '0,0');
});
