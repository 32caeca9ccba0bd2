import { expect, test } from 'vitest';
import { signV4 } from './signature-v4.ts';

// The examples of the Amazon S3 API reference, "Authenticating Requests: Using the Authorization Header".
const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const at = Date.UTC(2013, 4, 24);

test('GET with a range is signed as Amazon’s example says', async () => {
  const url = new URL('https://examplebucket.s3.amazonaws.com/test.txt');
  const signed = await signV4(
    { method: 'GET', url, headers: { range: 'bytes=0-9' }, body: '' },
    'us-east-1',
    credentials,
    at,
  );
  expect(signed.authorization).toBe(
    'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, ' +
      'SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, ' +
      'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  );
  expect(signed).not.toHaveProperty('host');
});

test('PUT with a body and a name to be encoded is signed as Amazon’s example says', async () => {
  const url = new URL('https://examplebucket.s3.amazonaws.com/test$file.text');
  const headers = { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' };
  const signed = await signV4(
    { method: 'PUT', url, headers, body: 'Welcome to Amazon S3.' },
    'us-east-1',
    credentials,
    at,
  );
  expect(signed.authorization).toMatch(/Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd$/);
});

test('a plus in a name is a plus, and a space a space', async () => {
  const signatureOf = async (name: string): Promise<string | undefined> => {
    const url = new URL(`https://examplebucket.s3.amazonaws.com/${name}`);
    return (await signV4({ method: 'GET', url, headers: {}, body: '' }, 'us-east-1', credentials, at)).authorization;
  };
  expect(await signatureOf('a+b')).toBe(await signatureOf('a%2Bb'));
  expect(await signatureOf('a+b')).not.toBe(await signatureOf('a%20b'));
});
