// For tests only: a real browser, the system's Chromium.
import { type Browser, chromium } from 'playwright-core';
import { ensureProgram, type SystemProgram } from '../services/platform/local/system-program.ts';

export const CHROMIUM: SystemProgram = {
  names: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'Google Chrome', 'Chromium'],
  folders: [
    '/Applications/Google Chrome.app/Contents/MacOS',
    '/Applications/Chromium.app/Contents/MacOS',
    '/opt/google/chrome',
  ],
  packages: {
    'apt-get': ['chromium'],
    dnf: ['chromium'],
    apk: ['chromium'],
    brew: ['--cask google-chrome'],
  },
  why: 'the tests of the pages need a real browser',
  errorCode: 'no_chromium',
  orElse: 'or put a Chromium or Chrome on PATH',
};

/**
 * A browser that reaches `origin` (a host under `localhost`, where cookies may be Secure and passkeys are allowed) at
 * the server that listens on `url`. Close it.
 * @throws StartError `no_chromium` with the exact command to run
 */
export async function launchChromium(origin: string, url: string): Promise<Browser> {
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  return chromium.launch({
    executablePath: await ensureProgram(CHROMIUM, say),
    args: ['--disable-gpu', `--host-resolver-rules=MAP ${new URL(origin).hostname} ${new URL(url).host}`],
    timeout: 60_000,
  });
}
