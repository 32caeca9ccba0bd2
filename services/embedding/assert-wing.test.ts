import { expect, test } from 'vitest';
import { WINGS, type Wing } from '../platform/config/wings.ts';
import { AgentService } from './agent-service.ts';
import { HIPAAComplianceService } from './hipaa-compliance-service.ts';
import { PrivacyControlService } from './privacy-control-service.ts';
import { SignOffService } from './sign-off-service.ts';

const opened = (Service: new (ports: never) => unknown, leftOut: readonly Wing[]) => () =>
  new Service({ wings: { leftOut } } as never);

test.each([
  ['agents', AgentService],
  ['signoff', SignOffService],
  ['privacy', PrivacyControlService],
  ['compliance', HIPAAComplianceService],
] as const)(
  'a service of %s is refused where the wing is left out, and opens without the other wings',
  (wing, Service) => {
    expect(opened(Service, [wing])).toThrow(
      expect.objectContaining({
        code: 'wing_left_out',
        options: { detail: `SALLYPORT_LEAVE_OUT names ${wing}.`, members: { wing } },
      }),
    );
    // Compliance checks the rules of privacy, and cannot be without it.
    const needed: readonly Wing[] = wing === 'compliance' ? [wing, 'privacy'] : [wing];
    expect(
      opened(
        Service,
        WINGS.filter((other) => !needed.includes(other)),
      ),
    ).not.toThrow();
  },
);

test('without privacy, the service of compliance names privacy', () => {
  expect(opened(HIPAAComplianceService, ['privacy', 'compliance'])).toThrow(
    expect.objectContaining({
      code: 'wing_left_out',
      options: expect.objectContaining({ members: { wing: 'privacy' } }),
    }),
  );
});
