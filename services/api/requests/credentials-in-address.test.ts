import { expect, test } from 'vitest';
import { namesCredential } from './credentials-in-address.ts';

test('finds a credential name in an address however it is written', () => {
  for (const query of `token=x a=b&access_token=x refresh_token CODE=x a&password=&b %74oken=x access%5Ftoken=x
    a=b%26code=1 client_secret=%zz`.split(/\s+/))
    expect([query, namesCredential(`/v1/tokens?${query}`)]).toEqual([query, true]);
  for (const query of ['', 'a=b', 'token_id=x', 'subtoken=x', 'tokens=x', 'a=token', 'q=%41', 'barcode=1'])
    expect([query, namesCredential(`/v1/tokens?${query}`)]).toEqual([query, false]);
  expect(namesCredential('/v1/token/code')).toBe(false);
});
