import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;

/**
 * A web server of the JDK's own parts. hello.jar is made of it, byte for byte, in
 * this folder by
 *
 *   javac --release 17 -d classes Hello.java &&
 *   jar --create --file hello.jar --date 2024-01-01T00:00:00Z --main-class Hello -C classes .
 *
 * with the JDK 17 of Debian 12.
 */
public class Hello {
    public static void main(String[] args) throws IOException {
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT_HTTP", "8080"));
        String name = args.length > 0 ? args[0] : "world";
        HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/", e -> answer(e, "hello, " + name + "\n"));
        server.createContext("/limits", e -> answer(e, limits()));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> server.stop(1)));
        server.start();
        System.out.println("listening on " + port);
    }

    /** What the JVM takes for the machine: the limits of its container. */
    private static String limits() {
        Runtime r = Runtime.getRuntime();
        return "java " + System.getProperty("java.version") + ", " + r.maxMemory() / (1 << 20) + " MiB of heap, "
            + r.availableProcessors() + " processors, user " + System.getProperty("user.name")
            + " in " + System.getProperty("user.dir") + "\n";
    }

    private static void answer(HttpExchange e, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        e.sendResponseHeaders(200, body.length);
        e.getResponseBody().write(body);
        e.close();
    }
}
