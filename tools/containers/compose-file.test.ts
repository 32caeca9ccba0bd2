import { describe, expect, test } from 'vitest';
import { interpolate, readComposeFile } from './compose-file.ts';

const file = readComposeFile({});
const service = (name: string) => file.services.find((each) => each.name === name);

describe('docker-compose.yml, as podman runs it', () => {
  test('every key is understood, and a key that is not stops the run', () => {
    expect(file.project).toBe('sallyport');
    expect(file.services.length).toBeGreaterThan(12);
    const other = 'name: sallyport\nservices:\n  api:\n    image: sallyport:local\n    privileged: true\n';
    expect(() => readComposeFile({}, other)).toThrow('api has privileged, which is not understood here');
  });

  test('an API is confined as with Docker', () => {
    expect(service('api')).toMatchObject({
      replicas: 2,
      networks: ['front', 'stores', 'telemetry'],
      needs: { migrate: 'service_completed_successfully', redis: 'service_healthy', collector: 'service_started' },
      logDriver: 'fluentd',
      command: ['api'],
    });
    expect(service('api')?.options).toEqual(
      expect.arrayContaining(
        `--restart=unless-stopped --init --read-only --read-only-tmpfs=false --tmpfs=/tmp --cap-drop=ALL
        --security-opt=no-new-privileges:true --env=BETTER_AUTH_URL=http://localhost:8080
        --volume=sallyport_product-secrets:/run/sallyport-secrets:ro --stop-timeout=30`.split(/\s+/),
      ),
    );
  });

  test('health checks, one-shot services and networks are those of the file', () => {
    expect(service('postgres')?.options).toContain('--health-cmd=["pg_isready","-U","sallyport","-d","sallyport"]');
    expect(service('redis')?.options.find((word) => word.startsWith('--health-cmd'))).toMatch(
      /^--health-cmd=\["CMD-SHELL","redis-cli --user sallyport_probe -a \\"\$\(cat /,
    );
    expect(service('migrate')).toMatchObject({ isOneShot: true, needs: { postgres: 'service_healthy' } });
    expect(service('migrate')?.options).toContain('--no-healthcheck');
    expect(service('secrets')?.options).toContain('--network=none');
    expect(file.networks.stores).toEqual({ isInternal: true, subnet: undefined });
    expect(file.networks.front).toEqual({ isInternal: false, subnet: '172.30.10.0/24' });
  });

  test('variables are replaced as compose does', () => {
    expect(interpolate(`\${A:-one} \${B} $\${C} $$(cat)`, { B: 'two' })).toBe(`one two \${C} $(cat)`);
    expect(interpolate(`\${A:-one}`, { A: 'set' })).toBe('set');
  });
});
