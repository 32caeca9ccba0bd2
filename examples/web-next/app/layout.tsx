import type { Metadata } from 'next';
import type { ReactNode } from 'react';
import { AppSession } from '../components/session.tsx';
import '@sallyport/react/styles.css';
import './globals.css';

export const metadata: Metadata = { title: 'Tasks' };

export default function Layout({ children }: { readonly children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <AppSession>{children}</AppSession>
      </body>
    </html>
  );
}
