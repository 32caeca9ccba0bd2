// For tests only: products of both kinds of key, for tokens forged against them.
import { type Target, targetOf } from '../made/forged-tokens.ts';
import { type ProductWorld, startProductWorld } from './product-world.ts';

export type ForgedWorld = {
  /** The product that signs with RSA. */
  readonly rsa: Target;
  /** The product that signs with an elliptic curve. */
  readonly ec: Target;
  /** Of both products. */
  expectUnharmed: ProductWorld['expectUnharmed'];
  close(): Promise<void>;
};

/** Two products without leeway for clocks: one world per test file. */
export async function openForgedWorld(): Promise<ForgedWorld> {
  const start = (algorithm: 'RS256' | 'ES256'): Promise<ProductWorld> =>
    startProductWorld({ JWT_ALGORITHM: algorithm, JWT_LEEWAY: '0' });
  const started = await Promise.allSettled([start('RS256'), start('ES256')]);
  const worlds = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const close = async (): Promise<void> => {
    await Promise.all(worlds.map((world) => world.close()));
  };
  try {
    for (const each of started) if (each.status === 'rejected') throw each.reason;
    const [rsa, ec] = (await Promise.all(worlds.map(({ product }) => targetOf(product)))) as [Target, Target];
    const expectUnharmed = async (): Promise<void> => {
      for (const world of worlds) await world.expectUnharmed();
    };
    return { rsa, ec, expectUnharmed, close };
  } catch (err) {
    await close();
    throw err;
  }
}
