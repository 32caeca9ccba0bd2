import type { APIRoute } from 'astro';

export type Account = { readonly user_id: string; readonly email: string | undefined };

/** Runs only with claims that the middleware verified. */
export const GET: APIRoute = ({ locals: { claims } }) => {
  const account: Account = { user_id: claims.sub, email: claims.email };
  return Response.json(account, { headers: { 'cache-control': 'no-store' } });
};
