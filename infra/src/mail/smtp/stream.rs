//! The TCP stream under an SMTP session: what the server may say is bounded.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Most bytes a server may send in one session. The SMTP client below bounds a reply only at its line ends, so that a
/// line without an end would fill the memory.
pub(super) const SESSION_BYTES_MAX: usize = 1 << 20;

/// A TCP stream that ends with an error after [`SESSION_BYTES_MAX`] bytes from the server.
#[derive(Debug)]
pub(super) struct BoundedStream {
    inner: TcpStream,
    left: usize,
    /// Whether bytes beyond ASCII become `?`. Servers answer in GBK, and the SMTP client would take a refusal it
    /// cannot read as UTF-8 for a broken connection. Not where TLS records pass through.
    mask: bool,
}

impl BoundedStream {
    pub(super) fn new(inner: TcpStream, mask: bool) -> Self {
        Self { inner, left: SESSION_BYTES_MAX, mask }
    }
}

impl AsyncTokioStream for BoundedStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        let read = &mut buf.filled_mut()[before..];
        match self.left.checked_sub(read.len()) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Err(io::Error::other("the server sends without end"))),
        }
        if self.mask {
            read.iter_mut().filter(|byte| !byte.is_ascii()).for_each(|byte| *byte = b'?');
        }
        polled
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
