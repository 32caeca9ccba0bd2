// PROCESS: the tasks API.
import { createApp } from './app.ts';
import { createVerifier } from './sallyport.ts';
import { settingsOf } from './settings.ts';
import { openTaskStore } from './tasks.store.ts';

const settings = settingsOf(process.env);
const verifier = createVerifier(settings.verifier);
const tasks = await openTaskStore(settings.databaseUrl);
const { corsOrigins, publicUrl } = settings;
const app = createApp({ verifier, tasks, corsOrigins, publicUrl });

async function stop(): Promise<void> {
  await app.close();
  verifier.close();
  await tasks.close();
  process.exit();
}
process.once('SIGTERM', stop).once('SIGINT', stop).once('disconnect', stop);

await app.listen({ host: settings.host, port: settings.port });
process.stderr.write(`the tasks API listens on ${settings.host}:${settings.port}\n`);
// For a supervisor, such as `npm start -- --with tasks`.
process.send?.({ type: 'ready' });
