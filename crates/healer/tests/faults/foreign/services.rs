//! The second half: starts that the engine refuses, programs in the words of others, and services that run or have ended.

use model::action::Action::{Start, Stop};

use crate::fault::End::{Healed, InVain, Left, Person};
use crate::fault::{Fault, Make, USUAL};

/// MongoDB 5.0 on the data of 4.2.
const MONGO: &str = r#"{"t":{"$date":"2024-03-05T10:14:02.118+00:00"},"s":"I",  "c":"CONTROL",  "id":23285,   "ctx":"main","msg":"Automatically disabling TLS 1.0, to force-enable TLS 1.0 specify --sslDisabledProtocols 'none'"}
{"t":{"$date":"2024-03-05T10:14:02.127+00:00"},"s":"I",  "c":"STORAGE",  "id":4615611, "ctx":"initandlisten","msg":"MongoDB starting","attr":{"pid":1,"port":27017,"dbPath":"/data/db","architecture":"64-bit","host":"5f0c1be3f3a1"}}
{"t":{"$date":"2024-03-05T10:14:03.871+00:00"},"s":"F",  "c":"CONTROL",  "id":20573,   "ctx":"initandlisten","msg":"Wrong mongod version","attr":{"error":"UPGRADE PROBLEM: Found an invalid featureCompatibilityVersion document (ERROR: Location4926900: Invalid featureCompatibilityVersion document in admin.system.version: { _id: \"featureCompatibilityVersion\", version: \"4.2\" }. See https://docs.mongodb.com/master/release-notes/4.4-compatibility/#feature-compatibility. :: caused by :: Invalid value for featureCompatibilityVersiondocument in admin.system.version, found 4.2, expected '4.4' or '4.9' or '5.0. See https://docs.mongodb.com/master/release-notes/4.4-compatibility/#feature-compatibility.). If the current featureCompatibilityVersion is below 4.4, see the documentation on upgrading at https://docs.mongodb.com/master/release-notes/4.4/#upgrade-procedures."}}
{"t":{"$date":"2024-03-05T10:14:03.872+00:00"},"s":"I",  "c":"NETWORK",  "id":4784905, "ctx":"initandlisten","msg":"Shutting down the global connection pool"}
{"t":{"$date":"2024-03-05T10:14:03.899+00:00"},"s":"I",  "c":"CONTROL",  "id":20565,   "ctx":"initandlisten","msg":"Now exiting"}
{"t":{"$date":"2024-03-05T10:14:03.899+00:00"},"s":"I",  "c":"CONTROL",  "id":23138,   "ctx":"initandlisten","msg":"Shutting down","attr":{"exitCode":62}}
"#;
/// A program in Go, which goes on without its cache.
const GO: &str = r#"{"level":"info","ts":1709633642.118,"caller":"cmd/main.go:31","msg":"starting api","version":"v1.14.2"}
{"level":"warn","ts":1709633642.121,"caller":"cache/cache.go:58","msg":"cache unavailable, continuing without","error":"dial tcp 172.20.0.4:6379: connect: connection refused"}
{"level":"fatal","ts":1709633642.903,"caller":"cmd/main.go:52","msg":"cannot connect to broker","error":"dial tcp: lookup kafka on 127.0.0.11:53: no such host","stacktrace":"main.main\n\t/src/cmd/main.go:52\nruntime.main\n\t/usr/local/go/src/runtime/proc.go:267"}
{"level":"info","ts":1709633642.904,"caller":"cmd/main.go:60","msg":"graceful shutdown complete, all good"}
"#;
/// A Java machine whose heap is used up.
const JAVA_HEAP: &str = "2024-03-05 10:14:02.118  INFO 1 --- [           main] com.example.shop.ShopApplication         : Started ShopApplication in 6.213 seconds (JVM running for 6.871)
java.lang.OutOfMemoryError: Java heap space
Dumping heap to /dumps/java_pid1.hprof ...
Unable to create /dumps/java_pid1.hprof: Permission denied
Terminating due to java.lang.OutOfMemoryError: Java heap space
";
/// Spring, Hibernate, Hikari and the driver of MySQL.
const SPRING: &str = "2024-03-05 10:14:02.118  INFO 1 --- [           main] com.zaxxer.hikari.HikariDataSource       : HikariPool-1 - Starting...
2024-03-05 10:14:03.377 ERROR 1 --- [           main] com.zaxxer.hikari.pool.HikariPool        : HikariPool-1 - Exception during pool initialization.
2024-03-05 10:14:03.401 ERROR 1 --- [           main] o.s.boot.SpringApplication               : Application run failed

org.springframework.beans.factory.BeanCreationException: Error creating bean with name 'entityManagerFactory' defined in class path resource [org/springframework/boot/autoconfigure/orm/jpa/HibernateJpaConfiguration.class]: Invocation of init method failed; nested exception is org.hibernate.exception.GenericJDBCException: Unable to open JDBC Connection for DDL execution
	at org.springframework.beans.factory.support.AbstractAutowireCapableBeanFactory.initializeBean(AbstractAutowireCapableBeanFactory.java:1804)
	at org.springframework.beans.factory.support.AbstractAutowireCapableBeanFactory.doCreateBean(AbstractAutowireCapableBeanFactory.java:620)
	at org.springframework.boot.SpringApplication.run(SpringApplication.java:1303)
	at com.example.shop.ShopApplication.main(ShopApplication.java:10)
Caused by: org.hibernate.exception.GenericJDBCException: Unable to open JDBC Connection for DDL execution
	at org.hibernate.exception.internal.StandardSQLExceptionConverter.convert(StandardSQLExceptionConverter.java:42)
	at org.hibernate.engine.jdbc.spi.SqlExceptionHelper.convert(SqlExceptionHelper.java:113)
	... 16 common frames omitted
Caused by: java.sql.SQLException: Access denied for user 'shop'@'172.20.0.3' (using password: YES)
	at com.mysql.cj.jdbc.exceptions.SQLError.createSQLException(SQLError.java:129)
	at com.mysql.cj.jdbc.exceptions.SQLExceptionsMapping.translateException(SQLExceptionsMapping.java:122)
	at com.mysql.cj.jdbc.ConnectionImpl.createNewIO(ConnectionImpl.java:828)
	at com.zaxxer.hikari.pool.HikariPool.checkFailFast(HikariPool.java:561)
	... 33 common frames omitted
";

pub(crate) const FAULTS: &[Fault] = &[
    // ---- starts that the engine refuses
    Fault {
        name: "xdirectoryoverfile",
        compose: web!("volumes: ['./d/app.conf:/etc/healer-test'], command: [sleep, '100']"),
        // The file was never put there, so that the engine makes a folder of that name.
        cause: Some("mount_mismatch"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xhostport",
        compose: "version: '2.4'
services:
  first: {image: 'healer-test:1', stop_grace_period: 1s, network_mode: host, command: [httpd, -f, -p, '18213']}
  web: {image: 'healer-test:1', stop_grace_period: 1s, ports: ['18213:80'], command: [httpd, -f, -p, '80']}
",
        make: Make::Instead(|scene| {
            scene.compose(&["up", "-d", "first"]);
            scene.compose(&["up", "-d", "web"]);
        }),
        // No container has published the port: a program of the host itself listens there.
        cause: Some("port_taken"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "xgroupghost",
        compose: web!("user: '0:redis', command: [sleep, '100']"),
        cause: Some("user_unknown"),
        end: Person,
        ..USUAL
    },
    // ---- programs in the words of others
    Fault {
        name: "xmongodata",
        compose: web!("volumes: ['./d:/d'], command: [sh, -c, 'cat /d/log; exit 62']"),
        files: &[("log", MONGO)],
        cause: Some("data_of_another_version"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xgolookup",
        compose: web!("volumes: ['./d:/d'], command: [sh, -c, 'cat /d/log; exit 1']"),
        files: &[("log", GO)],
        cause: Some("name_unknown"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "xjavaheap",
        compose: web!("volumes: ['./d:/d'], command: [sh, -c, 'sleep 0.5; cat /d/log; exit 3']"),
        files: &[("log", JAVA_HEAP)],
        // What it could not write is the dump of its heap, and only that.
        cause: Some("memory_used_up"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "xspringmysql",
        compose: web!("volumes: ['./d:/d'], command: [sh, -c, 'cat /d/log; exit 1']"),
        files: &[("log", SPRING)],
        // The true cause is the last of many.
        cause: Some("not_let_in"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xgermanfile",
        compose: web!("volumes: ['./d:/d'], command: [sh, -c, 'cat /d/log >&2; exit 1']"),
        files: &[("log", "cat: /run/secrets/api-schluessel: Datei oder Verzeichnis nicht gefunden\n")],
        // cat, where the host speaks German.
        cause: Some("file_missing"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    Fault {
        name: "xenvalid",
        compose: web!("volumes: ['./d:/d'], command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            r"printf '\033[37m================================\033[0m\n'
printf '\033[33m Missing\033[0m environment variables:\n'
printf '    \033[34mJWT_SECRET\033[0m: (required)\n'
printf '\033[37m================================\033[0m\n'
printf '\033[33m\n Exiting with error code 1\033[0m\n'
exit 1
",
        )],
        cause: Some("variable_missing"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xsilent",
        compose: web!("command: [sh, -c, 'sleep 1; exit 42']"),
        // It says nothing at all.
        cause: Some("crash"),
        action: Some(Start),
        end: InVain,
        ..USUAL
    },
    // ---- services that run, were ended, or have ended well
    Fault {
        name: "xfrozen",
        compose: host!(
            "healthcheck: {test: [CMD, /usr/bin/curl, -fsS, -m, '1', 'http://127.0.0.1:8080/'], interval: 500ms, \
                  timeout: 2s, retries: 2}, command: [/usr/bin/python3, -m, http.server, '8080']"
        ),
        make: Make::Then(|scene| scene.signal_from_the_host("web", "STOP")),
        // It hangs, and its port still takes connections.
        cause: Some("unhealthy"),
        action: Some(Stop),
        end: Healed,
        ..USUAL
    },
    Fault {
        name: "xhealthcurl",
        compose: web!(
            "healthcheck: {test: [CMD, curl, -f, 'http://localhost/'], interval: 500ms, timeout: 2s, retries: \
                  2}, command: [httpd, -f, -p, '80']"
        ),
        // The image has no curl: the check is broken, and the service is not.
        // Its author said `unhealthy`, and had no name for this.
        cause: Some("check_broken"),
        end: Person,
        ..USUAL
    },
    Fault {
        name: "xtermfromhost",
        compose: web!("init: true, command: [sh, -c, 'echo ready; while sleep 0.2; do :; done']"),
        make: Make::Then(|scene| scene.signal_from_the_host("web", "TERM")),
        cause: Some("killed_by_host"),
        action: Some(Start),
        end: Healed,
        ..USUAL
    },
    Fault {
        name: "xstubbornstop",
        compose: web!("volumes: ['./d:/d'], command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            r#"trap 'echo "worker: Warm shutdown (MainProcess)"' TERM
while :; do
    sleep 0.2
done
"#,
        )],
        make: Make::Then(|scene| {
            scene.docker(&["stop", "--time", "1", &scene.container("web").id]);
        }),
        // A person stops it, and the engine has to kill it.
        end: Left,
        ..USUAL
    },
    Fault {
        name: "xworkerkilled",
        compose: web!("volumes: ['./d:/d'], command: [sh, /d/main.sh]"),
        files: &[
            (
                "main.sh",
                r#"trap 'exit 0' TERM
while :; do
    sh /d/worker.sh &
    echo $! > /tmp/worker.pid
    echo "[INFO] Booting worker with pid: $!"
    wait $!
    echo "[ERROR] Worker (pid:$!) was sent SIGKILL! Perhaps out of memory?"
done
"#,
            ),
            ("worker.sh", "while sleep 0.2; do :; done\n"),
        ],
        make: Make::Then(|scene| {
            scene.docker(&["exec", &scene.container("web").id, "sh", "-c", "kill -KILL $(cat /tmp/worker.pid)"]);
        }),
        // The main process gives itself another worker.
        end: Left,
        ..USUAL
    },
    Fault {
        name: "xjobdone",
        compose: web!("volumes: ['./d:/d'], command: [sh, /d/run.sh]"),
        files: &[(
            "run.sh",
            r#"echo "ERROR 2002 (HY000): Can't connect to MySQL server on 'db' (115)" >&2
sleep 1
echo "ERROR 1045 (28000): Access denied for user 'backup'@'172.20.0.3' (using password: NO)" >&2
echo 'falling back to the password file'
echo 'backup complete'
"#,
        )],
        // A job: it complains, tries again, and is done.
        end: Left,
        ..USUAL
    },
];
