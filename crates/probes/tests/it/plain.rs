//! Servers of a few lines that do one thing wrong.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Serves each connection by this.
pub(crate) async fn server<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// Answers each request with this, and waits for its end.
pub(crate) async fn answers(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer: std::sync::Arc<[u8]> = answer.into().into();
    server(move |mut stream| {
        let answer = answer.clone();
        async move {
            request(&mut stream).await?;
            stream.write_all(&answer).await?;
            request(&mut stream).await
        }
    })
    .await
}

/// Reads a request, or the end.
pub(crate) async fn request(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut some = [0; 4096];
    stream.read(&mut some).await.map(drop)
}
