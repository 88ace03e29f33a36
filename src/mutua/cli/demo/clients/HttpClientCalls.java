import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Makes a GET for each line on stdin: URL, CA file, identity folder and TLS version, apart by tabs.
 * Answers each with one line: "status N" or "error WORDS".
 */
class HttpClientCalls {
    private static final int MAX_CAUSES = 8;

    public static void main(String[] arguments) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] fields = line.split("\t");
            String answer;
            try {
                answer = "status " + get(fields[0], Path.of(fields[1]), fields[2], fields[3]);
            } catch (Exception error) {
                answer = "error " + words(error);
            }
            System.out.println(answer);
        }
        // The HttpClients' threads would keep the virtual machine alive.
        System.exit(0);
    }

    private static int get(String url, Path caFile, String identity, String version) throws Exception {
        var tls = SSLContext.getInstance("TLS");
        tls.init(identity.equals("-") ? null : keys(Path.of(identity)), trust(caFile).getTrustManagers(), null);
        var parameters = tls.getDefaultSSLParameters();
        if (!version.equals("-")) {
            parameters.setProtocols(new String[] {version});
        }
        var client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .proxy(HttpClient.Builder.NO_PROXY)
                .sslContext(tls)
                .sslParameters(parameters)
                .build();
        var request = HttpRequest.newBuilder(URI.create(url)).timeout(Duration.ofSeconds(15)).build();
        return client.send(request, BodyHandlers.ofString()).statusCode();
    }

    private static KeyManager[] keys(Path folder) throws Exception {
        char[] password = Files.readString(folder.resolve("identity.password")).toCharArray();
        var store = KeyStore.getInstance("PKCS12");
        try (InputStream bundle = Files.newInputStream(folder.resolve("identity.p12"))) {
            store.load(bundle, password);
        }
        var factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(store, password);
        return factory.getKeyManagers();
    }

    private static TrustManagerFactory trust(Path caFile) throws Exception {
        var store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (InputStream bundle = Files.newInputStream(caFile)) {
            int number = 0;
            for (Certificate anchor : CertificateFactory.getInstance("X.509").generateCertificates(bundle)) {
                store.setCertificateEntry("anchor-" + number++, anchor);
            }
        }
        var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory;
    }

    private static String words(Throwable error) {
        var text = new StringBuilder();
        int depth = 0;
        for (Throwable cause = error; cause != null && depth < MAX_CAUSES; cause = cause.getCause(), depth++) {
            text.append(cause).append("; ");
        }
        return text.toString().replaceAll("\\s+", " ");
    }
}
