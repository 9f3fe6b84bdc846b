"""One codec for both links, the endpoint that offers methods, the stream hub and the board of facts."""
